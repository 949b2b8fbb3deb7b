"""The main job: from a folder of images and a budget in milliseconds to a verified network."""
