"""The image benchmarks of the paper: MNIST, FashionMNIST, CIFAR-10."""
