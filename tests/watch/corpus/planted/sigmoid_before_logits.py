# fault: activation
import torch
import torch.nn.functional as F

net = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.1)


def train_step(x, y):
    p = torch.sigmoid(net(x)).squeeze(1)
    return F.binary_cross_entropy_with_logits(p, y)  # here


for _ in range(10):
    optimizer.zero_grad()
    train_step(torch.randn(8, 8), torch.randint(0, 2, (8,)).float()).backward()
    optimizer.step()
