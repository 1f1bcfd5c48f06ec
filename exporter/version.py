"""The version, where both the build and the code find it."""

VERSION = "0.1.0"
