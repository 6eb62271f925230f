"""Every error that depth_ros raises on purpose; each text says what, where and what to do, in one line."""


class DepthRosError(Exception):
    """Root of all known errors; the command line prints one as a single line and exits 1."""


class ConfigError(DepthRosError):
    """A setting has a wrong name, type or range."""


class WorkerError(DepthRosError):
    """A worker process ended without a result."""


class GeometryError(DepthRosError):
    """A camera, transform or array does not describe a possible geometry."""


class MessageError(DepthRosError):
    """A message cannot be decoded or encoded."""


class CompletionError(DepthRosError):
    """A frame holds too little or the wrong kind of input for the completion."""


class SparseScanError(CompletionError):
    """A scan leaves too few points in the image."""


class BagError(DepthRosError):
    """A bag or a folder of frames cannot be read or written."""


class SyntheticError(DepthRosError):
    """A procedural world cannot be made as asked."""


class EvaluationError(DepthRosError):
    """An evaluation has nothing to score or cannot write its result."""


class TrainingError(DepthRosError):
    """A training run cannot start, go on or be read."""


class NodeError(DepthRosError):
    """A node cannot be configured or a running system does not answer."""


class EngineError(DepthRosError):
    """A graph cannot be read, built or run, or the library that runs it is not there."""


class BuildCancelledError(EngineError):
    """The build of an engine was stopped by whoever asked for it."""


class ModelError(DepthRosError):
    """A model file is missing, damaged, or does not keep the model contract."""


class ExportError(DepthRosError):
    """Weights cannot be read, or the file made of them does not answer as the network does."""
