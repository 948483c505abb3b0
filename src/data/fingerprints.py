"""x."""


def compare_videos(source, targets, cache):  # noqa
    return {}
