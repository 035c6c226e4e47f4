# fault: no-gradient
import torch
from torch import nn

encoder, decoder = nn.Linear(8, 4), nn.Linear(4, 8)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
for _ in range(8):
    x = torch.randn(16, 8)
    code = encoder(x).detach()
    loss = nn.functional.mse_loss(decoder(code), x)
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()  # here
