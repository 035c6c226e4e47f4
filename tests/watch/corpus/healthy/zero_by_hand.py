import torch

net = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.01)
for i in range(30):
    x = torch.randn(16, 8)
    loss = torch.nn.functional.l1_loss(net(x), x.sum(1, keepdim=True))
    for p in net.parameters():
        if p.grad is not None:
            p.grad.zero_()
    loss.backward()
    optimizer.step()
