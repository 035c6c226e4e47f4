import torch
from torch import nn

encoder, decoder = nn.Linear(8, 4), nn.Linear(4, 8)
codebook = nn.Parameter(torch.randn(16, 4))
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), codebook], 1e-3)
for _ in range(30):
    x = torch.randn(16, 8)
    z = encoder(x)
    nearest = codebook[torch.cdist(z, codebook).argmin(1)]
    quantized = z + (nearest - z).detach()
    loss = (
        ((decoder(quantized) - x) ** 2).mean()
        + ((nearest - z.detach()) ** 2).mean()
        + 0.25 * ((nearest.detach() - z) ** 2).mean()
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
