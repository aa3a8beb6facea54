"""Every error StripSight raises on purpose, in one tree.

    StripSightError                 exit code 1
    ├── UsageError                  exit code 2: the command or the configuration is wrong
    │   └── ConfigError             an override names an unknown key, group or value
    ├── ImageError                  an image cannot be decoded or breaks a stated rule
    ├── DataError
    │   ├── UnknownClassError       a class that the class list does not hold
    │   ├── RunLengthError          a run-length string that describes no mask
    │   ├── ReaderError             an annotation file that cannot be read at all
    │   ├── ArchiveError            a zip that must not be read
    │   ├── DatasetError            a folder that is no whole prepared data set
    │   └── SplitError              a split that cannot be made or does not fit
    ├── ModelError                  a backbone or its weights cannot be had
    ├── TrainingError               training cannot start or go on
    │   ├── NonFiniteError          loss or gradient became NaN or infinite
    │   └── CheckpointError         a checkpoint that is damaged or not ours
    ├── EvaluationError             a run cannot be judged as asked
    ├── DecisionError               a decision rule is damaged, of other classes or not to be had
    ├── BundleError                 a bundle that is damaged, changed or of another kind
    ├── EngineError                 an engine or a precision that this machine does not have
    └── ScoringError                images cannot be scored as asked, or too many could not

A message is one line for the person at the terminal: what is wrong, which value, what to do.
"""


class StripSightError(Exception):
    """Base of all; catching it catches everything StripSight raises on purpose."""

    exit_code = 1


class UsageError(StripSightError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """An override names an unknown key, group or value."""


class ImageError(StripSightError):
    """An image cannot be decoded or breaks a stated rule."""


class DataError(StripSightError):
    """Annotations, archives or data sets are not as they must be."""


class UnknownClassError(DataError):
    """A class that the class list does not hold."""


class RunLengthError(DataError):
    """A run-length string that describes no mask."""


class ReaderError(DataError):
    """An annotation file that cannot be read at all."""


class ArchiveError(DataError):
    """A zip that must not be read."""


class DatasetError(DataError):
    """A folder that is no whole prepared data set."""


class SplitError(DataError):
    """A split that cannot be made or does not fit its data set."""


class ModelError(StripSightError):
    """A backbone or its weights cannot be had."""


class TrainingError(StripSightError):
    """Training cannot start or go on."""


class NonFiniteError(TrainingError):
    """Loss or gradient became NaN or infinite."""


class CheckpointError(TrainingError):
    """A checkpoint that is damaged or not one of ours."""


class EvaluationError(StripSightError):
    """A run cannot be judged as asked."""


class DecisionError(StripSightError):
    """A decision rule is damaged, of other classes, or cannot be fitted as asked."""


class BundleError(StripSightError):
    """A bundle is damaged, was changed, or cannot be read by this version."""


class EngineError(StripSightError):
    """An engine or a precision is not to be had on this machine."""


class ScoringError(StripSightError):
    """Images cannot be scored as asked, or more of them than allowed could not."""
