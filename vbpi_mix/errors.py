"""The errors a user may meet; a message says what was found, where, and what to do."""


class VBPIError(Exception):
    """Base of every error that the command line turns into one `error:` line.

    Examples:
        >>> import vbpi_mix as vm
        >>> try:
        ...     vm.read_alignment("no_such_file.fasta")
        ... except vm.VBPIError as error:
        ...     print(error)
        no_such_file.fasta: there is no such file
    """


class InputError(VBPIError):
    """A file or a value given by the user cannot be used (names file, line, taxon or column)."""


class SupportError(VBPIError):
    """A topology or a taxon set does not fit the support it is used with."""


class ConfigError(VBPIError):
    """Settings contradict each other or name something unknown."""


class BackendError(VBPIError):
    """A compute backend or an external program is unknown or unusable on this machine."""


class CheckpointError(VBPIError):
    """A saved state cannot be read or does not belong to this run."""


class NumericalError(VBPIError):
    """A computation left the range of finite numbers."""


class InputWarning(UserWarning):
    """Something of an input that is not obeyed, or that a user should know; the inputs can be used."""
