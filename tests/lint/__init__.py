"""Does `ogi lint` find the pitfalls, and nothing else?"""
