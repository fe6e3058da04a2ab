"""The command `holdfast`: thin commands over library calls. Its packages come with the extra `dev`."""
