"""What is made once: certificate authorities, directories, grants."""
