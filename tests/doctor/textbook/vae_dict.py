import torch
import torch.nn.functional as F


def loss(output, batch):
    rec = F.mse_loss(output["x"], batch["x"])
    kl = 0.5 * (output["mu"] ** 2 + output["logvar"].exp() - 1 - output["logvar"]).mean()
    return {"loss": rec + kl, "rec": rec.detach(), "kl": kl.detach()}


def example():
    torch.manual_seed(0)
    return {"x": torch.randn(8, 6), "mu": torch.randn(8, 2), "logvar": torch.randn(8, 2)}, {"x": torch.randn(8, 6)}
