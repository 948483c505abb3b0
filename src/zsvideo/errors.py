"""What a user can put right, told in one line."""


class UserError(ValueError):
    """A mistake in an option, a file or a folder; commands print it as one line and exit with 2."""


class InUseError(UserError):
    """Another process works in the folder; nothing in it may be changed."""
