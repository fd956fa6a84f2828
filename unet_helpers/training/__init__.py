"""The training room (notebook 03): the loss and the recipe."""
