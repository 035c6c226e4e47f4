import torch

model = torch.nn.Linear(6, 7)
optimizer = torch.optim.SGD(model.parameters(), 0.05)
taus = (torch.arange(7) + 0.5) / 7
for _ in range(30):
    x, y = torch.randn(7, 6), torch.randn(7)
    u = y[:, None] - model(x)
    loss = torch.maximum(taus * u, (taus - 1) * u).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
