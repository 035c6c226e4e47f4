import torch
from torch import nn

G, D = nn.Linear(4, 2), nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
og, od = torch.optim.RMSprop(G.parameters(), 1e-3), torch.optim.RMSprop(D.parameters(), 1e-3)
for i in range(60):
    real, fake = torch.randn(32, 2), G(torch.randn(32, 4))
    mix = (torch.rand(32, 1) * (real - fake.detach()) + fake.detach()).requires_grad_()
    gradient = torch.autograd.grad(D(mix).sum(), mix, create_graph=True)[0]
    penalty = ((gradient.norm(dim=1) - 1) ** 2).mean()
    loss = D(fake.detach()).mean() - D(real).mean() + 10 * penalty
    od.zero_grad()
    loss.backward()
    od.step()
    if i % 5 == 4:
        og.zero_grad()
        (-D(fake).mean()).backward()
        og.step()
