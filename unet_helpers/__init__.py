"""Pixelwise classification with U-Net: the code that the course's notebooks share."""
