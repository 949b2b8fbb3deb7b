"""Grad-CAM (Selvaraju et al., arXiv 1610.02391): which places of an image spoke for a class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from pocketvision.network import Network
from pocketvision.runtimes.torch import Shipped, evaluating


def grad_cam(net: Network, images: NDArray[np.uint8], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """N x H x W heat, 0 to 1, of the evidence for `classes[i]` in `images[i]` (uint8 N x H x W x C).

    The channels of the trunk's last feature map, each weighted by the mean gradient of the class's logit with respect
    to it (equation 1), summed, and what is negative dropped (equation 2); then enlarged from the map's few cells to the
    image. All zero where nothing spoke for the class. With a head that averages and multiplies, as MobileNetV1's and
    V2's, this is CAM (section 3.1). The network's mode, weights and gradients stay as they are.
    """
    shipped = Shipped(net)
    pixels = torch.from_numpy(images).to(shipped.mean.device).permute(0, 3, 1, 2).float()
    with evaluating(net):
        with torch.no_grad():
            features = net.trunk((pixels - shipped.mean) * shipped.scale)
        features.requires_grad_()
        with torch.enable_grad():
            logits = net.head(features).gather(1, torch.from_numpy(classes).to(features.device)[:, None]).sum()
        (gradient,) = torch.autograd.grad(logits, features)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = (weights * features.detach()).sum(dim=1, keepdim=True).relu()
    heat = heat / heat.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
    enlarged: NDArray[np.float32] = F.interpolate(heat, pixels.shape[2:], mode="bilinear")[:, 0].cpu().numpy()
    return enlarged
