"""What a network costs: counted on the built module, timed on this machine."""
