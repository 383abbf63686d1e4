"""The errors of the agent.

GreenError
└── AgentError
    ├── SettingsError              what the operator wrote cannot be used
    ├── MeterError
    │   ├── MeterUnavailableError  this machine has no such meter
    │   └── ReadingFailedError     a meter that worked gave no reading
    ├── MeasurementError           no figure can honestly be given
    │   ├── UnmeasuredError        nothing measured the work, as was told when it began
    │   └── FigureLateError        the daemon counts the work, and its figure is not here
    ├── SpoolError                 the spool's folder cannot be used
    │   ├── SpoolFullError         there is no room: a record was NOT kept
    │   └── SpoolBusyError         another process is sending from this spool
    ├── NoAnswerError              the issuer could not be reached, or its answer is none
    ├── EnrolmentError             the issuer refused the enrolment
    ├── DaemonError                no daemon measures this node
    ├── WorkNotTakenError          the daemon does not take this work now, which is no fault of its names
    ├── DaemonRunsError            one does already
    └── TpmError                   the node's TPM; its tree stands in agent.tpm.errors
"""

from __future__ import annotations

from schemas.errors import GreenError


class AgentError(GreenError):
    """Root of the agent's errors."""

    name = "AGENT_ERROR"
    title = "The agent cannot do this"


class SettingsError(AgentError):
    """A setting is missing, unknown, or cannot be used."""

    name = "SETTINGS_INVALID"
    title = "The agent's settings cannot be used"


class MeterError(AgentError):
    """Root of what goes wrong with meters."""

    name = "METER_ERROR"
    title = "The meter cannot be read"


class MeterUnavailableError(MeterError):
    """This machine has no such meter; the detail says why and what to do."""

    name = "METER_UNAVAILABLE"
    title = "The meter is not available"


class ReadingFailedError(MeterError):
    """A meter that worked before gave no reading now."""

    name = "READING_FAILED"
    title = "The meter gave no reading"


class MeasurementError(AgentError):
    """No figure can honestly be given for the period."""

    name = "MEASUREMENT_IMPOSSIBLE"
    title = "Nothing was measured"


class UnmeasuredError(MeasurementError):
    """Nothing measured the work: that was told when it began."""


class FigureLateError(MeasurementError):
    """The daemon was told of the work and counts it, but gave no figure in time."""

    name = "FIGURE_LATE"
    title = "The figure is not here"


class SpoolError(AgentError):
    """The spool's folder cannot be used."""

    name = "SPOOL_ERROR"
    title = "The spool cannot be used"


class SpoolFullError(SpoolError):
    """There is no room left: the record was not kept."""

    name = "SPOOL_FULL"
    title = "The spool is full"


class SpoolBusyError(SpoolError):
    """Another process is sending from this spool."""

    name = "SPOOL_BUSY"
    title = "The spool is being sent already"


class NoAnswerError(AgentError):
    """The issuer could not be reached, or what came back is no HTTP answer."""

    name = "NO_ANSWER"
    title = "The issuer gave no answer"


class EnrolmentError(AgentError):
    """The issuer refused the enrolment, or answered something else."""

    name = "ENROLMENT_FAILED"
    title = "The node was not enrolled"


class DaemonError(AgentError):
    """No daemon answers, or it does not measure."""

    name = "DAEMON_UNAVAILABLE"
    title = "The daemon does not measure"


class WorkNotTakenError(AgentError):
    """The daemon does not take the work now: too much runs at once, or a meter gives no reading."""

    name = "WORK_NOT_TAKEN"
    title = "The daemon does not take the work now"


class DaemonRunsError(AgentError):
    """Another daemon measures this node."""

    name = "DAEMON_RUNS"
    title = "A green-agent daemon measures this node already"
