"""The evaluation room (notebook 04): counts, IoU and Dice, Keras metrics."""
