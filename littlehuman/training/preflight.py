"""Preflight check: device and weights of a training, before the first twin is requested.

It raises the error that the training would have ended with. It loads no weights and costs a look into a folder or
one request to the hub; torch is imported only for a GPU, for 4-bit weights or for several processes.
"""

from __future__ import annotations

from littlehuman.models import weights
from littlehuman.schema import LaunchConfig, ModelConfig


def check_training(model: ModelConfig, launch: LaunchConfig) -> None:
    """Check that the device and the weights are available.

    Raises:
        ConfigError: for a device that does not exist, or fewer GPUs than `launch.processes`.
        WeightsError: when the weights are not available.
    """
    _check_device(model, launch)
    weights.check_weights(model.weights, model.revision)


def _check_device(model: ModelConfig, launch: LaunchConfig) -> None:
    asks_for_gpu = launch.device.startswith("cuda") or model.quantization is not None
    if not asks_for_gpu and (launch.device == "cpu" or launch.processes == 1):
        return
    from littlehuman.models import devices

    device = devices.device(launch.device, launch.processes - 1)
    if model.quantization is not None:
        devices.nf4_config(device)
