import torch

model = torch.compile(
    torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)), backend="eager", fullgraph=True
)
loss_of = torch.compile(lambda a, b: torch.nn.functional.cross_entropy(a, b), backend="eager", fullgraph=True)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(10):
    loss = loss_of(model(torch.randn(8, 8)), torch.randint(0, 2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
