"""What runs inside of a sandbox: the standard library only, from Python 3.6 on."""
