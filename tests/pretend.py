"""A pretend accelerator: tensors that report another device, compute on the CPU, and refuse what a GPU refuses.

Code that mixes devices fails on a machine with an accelerator only. Inside `accelerator()` it fails here: two devices
in one operation, a CPU generator where the device draws, `.numpy()` of what does not lie in the CPU's memory. What a
GPU allows is allowed: `.to` and `copy_` across, numbers and scalars of the CPU beside the device's tensors, indices of
the CPU into them.

The device is `lazy:0`. PyTorch knows the type without a driver, and differentiates where the caller runs; for "cuda"
it would look for a GPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only

DEVICE = torch.device("lazy", 0)
aten = torch.ops.aten
ACROSS = (aten.copy_.default, aten._to_copy.default)
INDEXED = (
    aten.index.Tensor, aten._unsafe_index.Tensor, aten.index_put.default, aten.index_put_.default,
    aten._index_put_impl_.default, aten._unsafe_index_put.default,
)  # fmt: skip
FROM_NUMBERS = (torch.tensor, torch.as_tensor, torch.asarray)


class Pretend(Tensor):
    """A tensor on the pretend device; `held` is the tensor of the CPU that has its values."""

    @staticmethod
    def __new__(cls, held: Tensor) -> "Pretend":
        options = {"dtype": held.dtype, "layout": held.layout, "device": DEVICE}
        found = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), **options
        )
        found.held = held
        return found

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        return _compute(func, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> np.ndarray:
        if not force:
            raise TypeError(
                f"can't convert {DEVICE} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return self.detach().cpu().numpy()

    def __array__(self, *args, **kwargs) -> np.ndarray:
        return self.numpy()

    def tolist(self) -> list:
        return self.detach().cpu().tolist()

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 else repr(self), spec)

    def __repr__(self) -> str:
        return f"{self.held!r} on {DEVICE}"

    def __deepcopy__(self, memo: dict) -> "Pretend":
        found = self.detach().clone().requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            found = torch.nn.Parameter(found, self.requires_grad)
        return memo.setdefault(id(self), found)


@contextmanager
def accelerator() -> Iterator[torch.device]:
    """A machine with the device: it is what the block is given, and what tensors can be made on and moved to."""
    with _Operations(), _Calls():
        yield DEVICE


class _Operations(TorchDispatchMode):
    """Every operation of the block, also those that have no tensor yet."""

    def __torch_dispatch__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        return _compute(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """Python's numbers become tensors on the CPU and are moved: PyTorch would put them into the device's memory."""

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> object:
        kwargs = kwargs or {}
        if func in FROM_NUMBERS and not isinstance(args[0], Tensor):
            return _from_numbers(func, *args, **kwargs)
        if func is Tensor.new_tensor and isinstance(args[0], Pretend):
            return _from_numbers(torch.tensor, *args[1:], **{"dtype": args[0].dtype, "device": DEVICE} | kwargs)
        if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Pretend):
            key = tuple(map(_index, args[1])) if isinstance(args[1], tuple) else _index(args[1])
            return func(args[0], key, *args[2:])
        return func(*args, **kwargs)


def _from_numbers(
    func: Callable, numbers: object, *args, device: torch.device | str | None = None, **options
) -> Tensor:
    made = func(tree_map_only(Pretend, lambda t: t.tolist(), numbers), *args, **options)
    return made.detach().to(DEVICE).requires_grad_(made.requires_grad) if _here(device) else made


def _index(key: object) -> object:
    return torch.as_tensor(key) if isinstance(key, list | np.ndarray) else key


def _here(device: torch.device | str | None) -> bool:
    return device is not None and torch.device(device).type == DEVICE.type


def _compute(func: Callable, args: tuple, kwargs: dict) -> object:
    """One operation: refuse it as a GPU would, else let the CPU do it, and say that the result lies on the device."""
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    ours, cpus = ([t for t in tensors if isinstance(t, Pretend) is here] for here in (True, False))
    if func is aten.copy_.default:
        here = isinstance(args[0], Pretend)
    else:
        here = bool(ours) if kwargs.get("device") is None else _here(kwargs["device"])
    if ours and cpus and not _allowed(func, args, kwargs):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {DEVICE} and cpu! ({func})"
        )
    if here and any(isinstance(leaf, torch.Generator) for leaf in leaves):
        raise RuntimeError(f"Expected a '{DEVICE.type}' device type for generator but found 'cpu' ({func})")
    on_cpu, options = tree_map_only(Pretend, lambda t: t.held, (args, kwargs))
    if kwargs.get("device") is not None:
        options["device"] = torch.device("cpu")
    drawn = here and torch.Tag.nondeterministic_seeded in func.tags
    with torch.random.fork_rng(devices=[]) if drawn else nullcontext():  # a device draws from a state of its own
        found = func(*on_cpu, **options)
    if here:
        # Of a conjugate that is only marked as one, the mark would be lost.
        found = tree_map_only(Tensor, lambda t: Pretend(t.resolve_conj().resolve_neg()), found)
    return return_and_correct_aliasing(func, args, kwargs, found) if ours else found


def _allowed(func: Callable, args: tuple, kwargs: dict) -> bool:
    """Whether a GPU takes tensors of both devices."""
    if func in ACROSS:
        return True
    if func in INDEXED:  # the CPU's indices into the device's tensor; the values must lie there, but for a scalar
        return isinstance(args[0], Pretend) and all(isinstance(v, Pretend) or not v.ndim for v in args[2:3])
    for i, argument in enumerate(func._schema.arguments):
        given = args[i] if i < len(args) else kwargs.get(argument.name)
        written = argument.alias_info is not None and argument.alias_info.is_write
        if any(not isinstance(t, Pretend) and (written or t.ndim) for t in tree_leaves(given) if isinstance(t, Tensor)):
            return False
    return torch.Tag.pointwise in func.tags or func is aten.fill_.Tensor  # the CPU's scalars
