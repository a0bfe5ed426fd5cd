"""nftables inside a namespace, by libnftables: a transaction takes a fraction of a process."""

import ctypes
import ctypes.util

from netns_lab import netns


class NftError(RuntimeError):
    """The kernel or libnftables refused a script; the text holds its words."""


class Nft:
    """One context, bound to one namespace; close it."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._library = _library()
        with netns.inside(namespace):
            self._context = self._library.nft_ctx_new(0)
        if not self._context:
            raise NftError("libnftables gave no context")
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, script: str) -> str:
        """Run a script as one transaction and return its output."""
        with netns.inside(self._namespace):
            code = self._library.nft_run_cmd_from_buffer(self._context, script.encode())
        # Both buffers are emptied by being read.
        output = self._library.nft_ctx_get_output_buffer(self._context) or b""
        words = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if code != 0:
            raise NftError(words.decode(errors="replace").strip())
        return str(output.decode())

    def close(self) -> None:
        """Free the context."""
        self._library.nft_ctx_free(self._context)


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        raise NftError("libnftables.so.1 is missing: apt-get install nftables") from error
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error", "nft_ctx_free"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).restype = ctypes.c_char_p
        getattr(library, name).argtypes = [ctypes.c_void_p]
    return library
