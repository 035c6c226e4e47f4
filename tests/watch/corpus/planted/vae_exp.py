# fault: inf-loss/nan-loss
import torch
from torch import nn


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(20, 8), nn.Linear(4, 20)

    def forward(self, x):
        mu, log_var = self.encoder(x).chunk(2, 1)
        return self.decoder(mu), mu, log_var


def vae_loss(recon, x, mu, log_var):
    mse = ((recon - x) ** 2).sum()
    kl = -0.5 * torch.sum(1 + log_var - mu.pow(2) - torch.exp(log_var))  # here
    return mse + kl


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for step in range(10):
    x = torch.randn(16, 20) * (400 if step == 5 else 1)
    recon, mu, log_var = model(x)
    loss = vae_loss(recon, x, mu, log_var)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
