"""The model room (notebook 02): the U-Net and its receptive field."""
