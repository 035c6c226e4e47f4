# fault: inf-loss
import torch

model = torch.nn.Linear(8, 3)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(10):
    x, y = torch.randn(16, 8) * (1000 if step == 4 else 1), torch.randint(0, 3, (16,))
    p = torch.softmax(model(x), 1)
    loss = -torch.log(p[range(16), y]).mean()  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
