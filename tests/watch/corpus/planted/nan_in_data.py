# fault: nan-loss
import torch

model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.01)
data = torch.randn(40, 8)
data[33, 2] = float("nan")
for start in range(0, 40, 8):
    x = data[start : start + 8]
    loss = torch.nn.functional.mse_loss(model(x), torch.zeros(8, 1))
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
