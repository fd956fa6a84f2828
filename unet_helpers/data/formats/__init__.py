"""File formats: each is turned into images and class ids once, at the door."""
