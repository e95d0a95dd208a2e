"""The image is really built, and really run beside uWSGI, without a container engine.

buildah builds the Dockerfile and runs what it has built, with `--isolation chroot`, which needs
root and nothing else. The base image is made from Debian's packages as apt is configured here, and
tagged like the official one.
"""
