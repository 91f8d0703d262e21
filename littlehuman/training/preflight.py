"""What a training will need, looked for before the first twin is asked for.

In: the model that is to be fine-tuned, and `launch`. Out: nothing, or the error that the training would
have ended with. It costs a look into a folder or one request to the hub: no weights are loaded, and torch
is imported only where the launch or the model ask for a GPU.
"""

from __future__ import annotations

from littlehuman.models import weights
from littlehuman.schema import LaunchConfig, ModelConfig


def check_training(model: ModelConfig, launch: LaunchConfig) -> None:
    """Look for the device and the weights.

    Raises:
        ConfigError: for a device that is not here, or fewer GPUs than `launch.processes`.
        WeightsError: when the weights cannot be had.
    """
    _check_device(model, launch)
    weights.check_weights(model.weights, model.revision)


def _check_device(model: ModelConfig, launch: LaunchConfig) -> None:
    asks_for_gpu = launch.device.startswith("cuda") or model.quantization is not None
    if not asks_for_gpu and (launch.device == "cpu" or launch.processes == 1):
        return
    from littlehuman.models import devices

    where = devices.device(launch.device, launch.processes - 1)
    if model.quantization is not None:
        devices.four_bits(where)
