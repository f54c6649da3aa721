"""Two audited models, image by image."""


def run_compare(arguments):
    raise NotImplementedError
