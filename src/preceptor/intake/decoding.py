"""Decoding in a process of its own: on some damaged streams gdcm ends the process that runs it.

One child is kept for as long as this process lives; where a file kills it, that file is refused and the next one gets
a new child.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset

_SECONDS = 60  # a frame takes milliseconds; what takes longer hangs
_MEMORY_BYTES = 16 * 2**30  # all frames of `limits.MAX_VOXELS` in 16 bits, compressed and not, several times

#: What crosses back is numbers: an array of objects would be addresses, chosen by whoever wrote the file.
_NUMBERS = "biuf"

_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux, which Python 3.11 names only there

_is_apart = False


class Child:
    """A decoding process, started when first needed and again after a death or a fork.

    Args:
        module: Where the function is.
        function: What the process runs: it answers requests until its input is closed.
        seconds: After which a request that is not answered ends the process.
    """

    def __init__(self, module: str, function: str, seconds: float) -> None:
        self._code = f"from {module} import {function}; {function}()"
        self._seconds = seconds
        self.forget()
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start anew: a forked worker must not wait for its parent's lock, nor share its child."""
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, question: dict) -> tuple[dict, np.ndarray]:
        """What the process answers: its facts, and an array of the ``shape`` and ``dtype`` among them.

        Raises:
            ValueError: The process says why it can't; the text is its ``error``.
            RuntimeError: It ended, or hung and was ended.
        """
        with self._lock:
            process = self._alive()
            assert process.stdin is not None and process.stdout is not None
            timer = threading.Timer(self._seconds, _kill, [process])
            timer.start()
            try:
                send(process.stdin, json.dumps(question).encode())
                answer = json.loads(_receive(process.stdout))
                if "error" in answer:
                    raise ValueError(answer["error"])
                array = _receive_array(process.stdout, answer)
            except (OSError, EOFError) as error:
                self.stop()
                raise RuntimeError("the decoder ended") from error
            finally:
                timer.cancel()
        return answer, array

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            command = [sys.executable, "-P", "-c", self._code]
            # A group of its own, so that what it starts ends with it.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=None if _is_apart else 0,
            )
            _widen(self._process.stdout)
            self._owner = os.getpid()
        return self._process

    def stop(self) -> None:
        if self._process is not None and self._owner == os.getpid():
            _kill(self._process)
            self._process.communicate()  # closes the pipes and takes the exit status
        self._process = None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    if _is_apart or not hasattr(os, "killpg"):
        process.kill()
    elif process.returncode is None:  # until its exit is taken, its number is nobody else's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _widen(stream: IO[bytes] | None) -> None:
    """Let the pipe hold a megabyte rather than 64 kB, where the system can: images pass in fewer turns."""
    if sys.platform == "linux" and stream is not None:
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(stream, _SET_PIPE_SIZE, _PIPE_BYTES)


_CHILD = Child(__name__, "answer_requests", _SECONDS)


def decode_apart(path: Path, frame: int | None, plugin: str) -> np.ndarray:
    """Decode the pixels of a DICOM file in the child.

    Args:
        path: The file.
        frame: Which frame; None for all.
        plugin: Name of pydicom's decoding plug-in.

    Returns:
        As `pydicom.pixels.pixel_array`.

    Raises:
        ValueError: The decoder does not read it.
        RuntimeError: The decoder ended or hung.
    """
    return _CHILD.ask({"path": str(Path(path).absolute()), "frame": frame, "plugin": plugin})[1]


def answer_requests() -> None:
    """What the child runs: one request after another."""
    import warnings

    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    confine(_MEMORY_BYTES)
    warnings.simplefilter("ignore")
    output = output_alone()
    read: tuple[tuple[str, int, int], Dataset] | None = None
    for request in requests():
        try:
            facts = Path(request["path"]).stat()
            file = request["path"], facts.st_size, facts.st_mtime_ns
            if read is None or read[0] != file:  # a film is asked for frame by frame
                read = file, dcmread(request["path"])
            dataset = read[1]
            array = pixel_array(dataset, index=request["frame"], decoding_plugin=request["plugin"])
        except Exception as error:  # told by kind alone: the text may hold values of the file
            send(output, json.dumps({"error": type(error).__name__}).encode())
            continue
        send_answer(output, {}, array)


def is_apart() -> bool:
    """Whether this process was started to read what others wrote."""
    return _is_apart


def confine(memory_bytes: int) -> None:
    """In a reading process: set how much memory it may ask for, and end with it what it starts.

    Args:
        memory_bytes: At most; less where the machine, or the process that started this one, has less.
    """
    global _is_apart
    _is_apart = True
    if sys.platform != "win32":
        import resource

        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        inherited = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = min(memory_bytes, machine, *([] if inherited == resource.RLIM_INFINITY else [inherited]))
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def output_alone() -> IO[bytes]:
    """In a decoding process: where answers go. What a native decoder prints goes nowhere, and can't mix with them."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return output


def requests() -> Iterator[dict]:
    """In a decoding process: what is asked, until the input is closed."""
    while True:
        try:
            yield json.loads(_receive(sys.stdin.buffer))
        except EOFError:
            return


def send(stream: IO[bytes], content: bytes) -> None:
    """Write a message after its length."""
    stream.write(struct.pack("<Q", len(content)) + content)
    stream.flush()


def send_answer(stream: IO[bytes], facts: dict, array: np.ndarray) -> None:
    """Write what is known of an array, and its bytes without a copy of them; what is small goes in one piece."""
    content = json.dumps(facts | {"shape": array.shape, "dtype": array.dtype.str}).encode()
    stream.write(struct.pack("<Q", len(content)) + content + struct.pack("<Q", array.nbytes))
    if array.nbytes:
        stream.write(np.ascontiguousarray(array).data.cast("B"))
    stream.flush()


def _receive_array(stream: IO[bytes], told: dict) -> np.ndarray:
    """The array that was told of.

    Raises:
        EOFError: It is none of numbers, or another than was told of.
    """
    kind = np.dtype(told["dtype"])
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    if kind.kind not in _NUMBERS or length != math.prod(told["shape"]) * kind.itemsize:
        raise EOFError
    array = np.empty(told["shape"], kind)
    if length and stream.readinto(array.data.cast("B")) != length:  # type: ignore[attr-defined]
        raise EOFError
    return array


def _receive(stream: IO[bytes]) -> bytes:
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], number: int) -> bytes:
    content = stream.read(number)
    if len(content) < number:
        raise EOFError
    return content
