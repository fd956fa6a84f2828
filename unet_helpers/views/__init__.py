"""The views: figures, widgets and the live training figure; no room above imports them."""
