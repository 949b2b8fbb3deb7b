"""Every family over its widths and resolutions, timed on one device: what multiply-adds say of milliseconds, and what
they do not."""
