"""What became of one media file: the facts of a decode, and the ledger state they amount to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cache.errors import DataError

#: Seconds that sound may be shorter than stated: the delay of an encoder that one muxer counts and another does not.
LACKING = 0.1
#: What is not louder than this, of 1.0, is silence: 80 dB down, which is 3 of 32768, the noise of a lossy codec.
SILENCE = 1e-4


class MediaError(DataError):
    """A file with nothing to use. ``state`` is a lost state of :mod:`cache.ledger`; the reason holds no path."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(reason)
        self.state = state
        self.reason = reason


@dataclass(frozen=True)
class Summary:
    """Facts of one whole decode.

    count:    frames that were decoded.
    width, height: size in pixels as shown (display rotation applied) of the first frame.
    rate:     average frames per second that the container states, or None.
    header:   frames that the container promises, or None where it does not say.
    hidden:   frames of ``header`` that are none to show: those that an edit list hides (below 0: it shows some more than once), and those
              that only say "the same picture again", without bytes or, in MPEG-4, not coded.
    bad:      packets that do not decode, or that the container marks as corrupt.
    corrupt:  frames that the decoder gave but marked as concealed or corrupt.
    broken:   why reading the container stopped before its end, or "".
    headless: the stream does not begin with a key frame: pictures are missing at its beginning, or made of grey.
    pixels:   what made the pixels, "" for PyAV.
    """

    count: int
    width: int
    height: int
    rate: float | None
    header: int | None
    codec: str = ""
    hidden: int = 0
    bad: int = 0
    corrupt: int = 0
    broken: str = ""
    headless: bool = False
    pixels: str = ""

    def verdict(self) -> tuple[str, str]:
        """Return (ledger state, reason); the reason names everything that is odd, the state the gravest of it."""
        found: list[tuple[str, str]] = []
        if self.broken:
            found.append(("damaged", f"reading stopped early: {self.broken}"))
        if self.headless:
            found.append(("damaged", "the stream does not begin with a key frame"))
        if self.bad:
            found.append(("damaged", f"{self.bad} packets do not decode"))
        if self.corrupt:
            found.append(("damaged", f"{self.corrupt} frames are corrupt"))
        if self.header is not None:
            promised = self.header - self.hidden
            if self.count < promised:
                found.append(("fewer_frames", f"the header promises {promised} frames, {self.count} decode"))
            elif self.count > max(self.header, promised):
                found.append(("more_frames", f"the header promises {self.header} frames, {self.count} decode"))
        if not found:
            return "ok", ""
        return found[0][0], "; ".join(reason for _, reason in found)

    def facts(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class SoundSummary:
    """Facts of one decode of the sound of a file.

    count, rate: samples that are kept, and how many there are a second.
    start:    seconds of the first one since the container's start.
    source_rate, channels: as the file has them.
    promised: seconds that the container states, or None where it does not say or not all was read.
    filled:   seconds of silence where stamps tell of a hole, ``count`` holds them.
    bad:      packets that do not decode, or that the container marks as corrupt.
    odd:      samples that are NaN or infinite; they are silence.
    broken:   why reading the container stopped before its end, or "".
    peak:     the loudest sample that is kept, 0..1, or None where not all that was asked for was read.
    """

    count: int
    rate: int
    start: float
    codec: str
    source_rate: int
    channels: int
    promised: float | None = None
    filled: float = 0.0
    bad: int = 0
    odd: int = 0
    broken: str = ""
    peak: float | None = None

    def verdict(self) -> tuple[str, str]:
        """Return (ledger state, reason), as of a video."""
        found = [f"reading stopped early: {self.broken}"] if self.broken else []
        if self.bad:
            found.append(f"{self.bad} packets do not decode")
        if self.odd:
            found.append(f"{self.odd} samples are no numbers: they are silence")
        seconds = self.count / self.rate
        if self.promised is not None and seconds < self.promised - LACKING:
            found.append(f"the header promises {self.promised:.2f} s of sound, {seconds:.2f} s decode")
        state = "damaged" if found else "ok"
        if self.count and self.peak is not None and self.peak <= SILENCE:
            found.append("no sample is louder than -80 dB")
            state = state if state != "ok" else "silent"
        return state, "; ".join(found)

    def facts(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        return asdict(self)
