"""The one exception that means: the user's input is wrong, and here is what to do about it."""


class InputError(ValueError):
    """A mistake in what the user gave. The message is one line: what is wrong, where, and what to do.

    The command line prints it as `error: ...` and exits with status 2. Anything else that is raised is a bug.
    """
