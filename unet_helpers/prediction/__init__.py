"""The prediction room: images of any size through a trained model."""
