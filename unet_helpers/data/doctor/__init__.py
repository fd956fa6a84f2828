"""The dataset doctor: what is wrong with images and masks before a model sees them."""
