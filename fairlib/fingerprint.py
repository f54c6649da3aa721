"""What a function, a model or a setting is, in sixteen digits that are the same in every process.

Not made from what an object prints: that may hold addresses (`<function f at 0x7f..>`), or sets in another order each
time, and says nothing of what is inside a function.
"""

import enum
import functools
import hashlib
import inspect
import re
import sys
import sysconfig
import types
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath

import numpy as np
import torch
from torch import Tensor, nn

PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice, PurePath)
PLAIN += (torch.dtype, torch.Size, torch.memory_format, torch.layout)
# Of a module that is no part of what it computes, or counted by name below.
KEPT_APART = {"_parameters", "_buffers", "_modules", "training", "_compiled_call_impl"}
HOOKS = ("_forward_pre_hooks", "_forward_hooks")
INSTALLED = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib"))
ADDRESS = re.compile(r"(?<=\bat )0x[0-9a-fA-F]{6,}\b")
OF_A_PROCESS = ("torch", "threading", "logging", "random", "numpy.random")  # generators, locks, caches


def of(*values: object) -> str:
    """Give sixteen digits for values of any kind, equal where they are made of the same things.

    Parameters
    ----------
    *values : object
        Functions, models, tensors, settings.

    Returns
    -------
    str
        Sixteen hexadecimal digits, the same in every process.

    Notes
    -----
    Functions are their code, defaults, closures and the plain values and functions of their module that they use;
    partial functions their parts; tensors and arrays their dtype, shape and content, wherever they lie; modules their
    layers, parameters, buffers, hooks and attributes; other objects their class and attributes. Sets and dictionaries
    have no order. What installed packages define is known by its name. An attribute that is drawn anew in each process,
    such as a time, makes another fingerprint.
    """
    return _Digests().of(values)[:16]


class _Digests:
    """Digests of values, and of what they hold; each object is looked at once."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[object, str]] = {}  # the object too, so that its id stays its own

    def of(self, value: object) -> str:
        """The digest of one value."""
        if id(value) in self.known:
            return self.known[id(value)][1]
        self.known[id(value)] = value, "above"  # what leads back to itself
        digest = _sha(type(value).__qualname__, *self._parts(value))
        self.known[id(value)] = value, digest
        return digest

    def _parts(self, value: object) -> list[str]:
        match value:
            case enum.Enum() | type() | types.BuiltinFunctionType() | types.ModuleType():
                return [_named(value)]
            case str():
                return [ADDRESS.sub("0x", value)]
            case Tensor():
                return [str(value.dtype), str(tuple(value.shape)), _content(value)]
            case np.ndarray() if value.dtype != object:
                return [value.dtype.str, str(value.shape), _sha(np.ascontiguousarray(value).tobytes())]
            case np.generic() | torch.Size() | torch.dtype():
                return [str(value)]
            case list() | tuple() | np.ndarray():
                return [self.of(part) for part in value]
            case set() | frozenset():
                return sorted(self.of(part) for part in value)
            case Mapping():
                return sorted(_sha(self.of(key), self.of(part)) for key, part in value.items())
            case functools.partial():
                return [self.of(part) for part in (value.func, value.args, value.keywords)]
            case types.MethodType():
                return [self.of(value.__func__), self.of(value.__self__)]
            case types.FunctionType():
                return self._function(value)
            case types.CodeType():
                return self._code(value)
            case torch.jit.ScriptModule() | torch.jit.ScriptFunction():
                return [value.code, *(self._weights(value) if isinstance(value, nn.Module) else ())]
            case nn.Module():
                return self._module(value)
        if isinstance(value, PLAIN):
            return [repr(value)]
        return [_named(type(value)), str(getattr(value, "__name__", "")), *self._attributes(value)]

    def _function(self, function: types.FunctionType) -> list[str]:
        cells = [_in(cell) for cell in function.__closure__ or ()]
        parts = [self.of(part) for part in (cells, function.__defaults__, function.__kwdefaults__)]
        if _installed(function.__code__.co_filename):
            return [_named(function), *parts]
        used = {name: function.__globals__[name] for name in _names(function.__code__) & function.__globals__.keys()}
        own = {
            name: part
            for name, part in used.items()
            if isinstance(part, (*PLAIN, types.FunctionType, functools.partial))
        }
        return [self.of(function.__code__), *parts, self.of(own)]

    def _code(self, code: types.CodeType) -> list[str]:
        return [_sha(code.co_code), *(self.of(part) for part in (code.co_consts, code.co_names, code.co_varnames))]

    def _module(self, module: nn.Module) -> list[str]:
        hooks = [list(vars(module).get(name, {}).values()) for name in HOOKS]
        layers = [_sha(name, self.of(layer)) for name, layer in module.named_children()]
        return [_named(type(module)), *layers, *self._weights(module), self.of(hooks), *self._attributes(module)]

    def _weights(self, module: nn.Module) -> list[str]:
        own = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        return [_sha(name, self.of(tensor.detach())) for name, tensor in own]

    def _attributes(self, value: object) -> list[str]:
        kind = type(value)
        if kind.__module__.startswith("torch._dynamo"):  # around a model that torch.compile was given
            return []
        own = dict(getattr(value, "__dict__", {}))
        for name in (name for part in kind.__mro__ for name in np.atleast_1d(vars(part).get("__slots__", ()))):
            own |= {name: getattr(value, name)} if hasattr(value, name) else {}
        if isinstance(value, nn.Module):
            own = {name: part for name, part in own.items() if name not in KEPT_APART and "hook" not in name}
        elif re.match(rf"({'|'.join(OF_A_PROCESS)})(\.|$)", kind.__module__):
            return []
        elif not own:
            with suppress(Exception):  # what cannot be taken apart is known by its class
                own["reduced"] = value.__reduce_ex__(2)
        if "__call__" in vars(kind) and not isinstance(value, nn.Module):
            own["__call__"] = vars(kind)["__call__"]
        if "forward" in vars(kind):
            own["forward"] = vars(kind)["forward"]
        return sorted(_sha(str(name), self.of(part)) for name, part in own.items())


def _sha(*parts: str | bytes) -> str:
    """SHA-256 of the parts, each behind its length."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _named(value: object) -> str:
    """A thing by its module and name."""
    owner = getattr(value, "__module__", None) or type(value).__module__
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    return f"{owner}.{name}" + (f".{value.name}" if isinstance(value, enum.Enum) else "")


def _content(tensor: Tensor) -> str:
    """A digest of the numbers in a tensor, however it keeps them."""
    tensor = tensor.detach()
    if tensor.is_meta:
        return "meta"
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    tensor = tensor.to_dense() if tensor.layout != torch.strided else tensor
    plain = tensor.resolve_conj().resolve_neg().cpu().contiguous()
    return _sha(plain.flatten().view(torch.uint8).numpy().tobytes())


def _in(cell: types.CellType) -> object:
    """What a closure keeps."""
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _names(code: types.CodeType) -> set[str]:
    return set(code.co_names).union(*(_names(part) for part in code.co_consts if isinstance(part, types.CodeType)))


def _installed(file: str | None) -> bool:
    return file is not None and str(Path(file).resolve()).startswith(INSTALLED)


def sources(*parts: object) -> str:
    """Give sixteen digits for the source files in which things are written.

    Parameters
    ----------
    *parts : object
        Classes, functions, modules. What was made in a shell, or compiled, has no source.

    Returns
    -------
    str
        Sixteen hexadecimal digits for those files, and for what they import from their own folders.
    """
    files: set[Path] = set()
    todo = list(parts)
    while todo:
        part = todo.pop()
        try:
            file = Path(inspect.getsourcefile(part) or "").resolve()
        except (OSError, TypeError):
            continue
        if file in files or not file.is_file():
            continue
        files.add(file)
        if _installed(str(file)):
            continue
        for held in list(getattr(inspect.getmodule(part), "__dict__", {}).values()):
            with suppress(Exception):  # not all that a module holds can be asked
                owner = held if inspect.ismodule(held) else sys.modules[held.__module__]
                if Path(owner.__file__).resolve().is_relative_to(file.parent) and not _installed(owner.__file__):
                    todo.append(owner)
    return _sha(*sorted(_sha(file.read_bytes()) for file in files))[:16]
