"""Images in: where they lie, how they are laid out, and the one way they are decoded, resized and cropped.

`image` decodes and resizes, `sources` opens a data set of any form, `doctor` examines it, `splits` holds out a
validation split and saves it.
"""
