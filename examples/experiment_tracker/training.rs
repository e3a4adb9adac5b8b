//! What the tracker tracks: small neural networks that learn to tell two spirals apart. Everything is plain Rust, and the same in every run.

use crate::random::Random;

const TURNS: f64 = 1.35;
const NOISE: f64 = 0.045;
const BATCH: usize = 10;

/// Points of two spirals, and which of them each is of.
pub(crate) struct Data {
    train: Vec<Point>,
    test: Vec<Point>,
}

#[derive(Clone)]
struct Point {
    x: [f64; 2],
    label: f64,
}

impl Data {
    pub(crate) fn spirals(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut points = |count: usize| {
            let point = |number: usize| {
                let arm = (number % 2) as f64;
                let along = random.unit().sqrt();
                let angle = std::f64::consts::TAU * (TURNS * along + arm / 2.0);
                let x = [along * angle.cos(), along * angle.sin()].map(|x| x + NOISE * random.normal());
                Point { x, label: arm }
            };
            (0..count).map(point).collect::<Vec<_>>()
        };
        Self { train: points(300), test: points(400) }
    }
}

/// What is varied from run to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) learning_rate: f64,
    /// The widths of the hidden layers.
    pub(crate) layers: Vec<u64>,
    pub(crate) epochs: u64,
    pub(crate) optimizer: Optimizer,
    /// Of the first weights.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Optimizer {
    Sgd,
    Momentum(f64),
    Adam,
}

impl Optimizer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Momentum(_) => "momentum",
            Self::Adam => "adam",
        }
    }
}

/// How a network does after an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Epoch {
    /// The mean over the points it has learnt from.
    pub(crate) loss: f64,
    /// The share of the other points that it gets right.
    pub(crate) accuracy: f64,
}

/// Trains a network, and tells of every epoch. Gives the accuracy in the end; none where the loss has grown far beyond that of a guess.
pub(crate) fn train<E>(
    config: &Config,
    data: &Data,
    mut each: impl FnMut(Epoch) -> Result<(), E>,
) -> Result<Option<f64>, E> {
    let mut random = Random::new(config.seed);
    let mut network = Network::new(&config.layers, &mut random);
    let mut points = data.train.clone();
    let mut accuracy = None;
    for _ in 0..config.epochs {
        random.shuffle(&mut points);
        let mut loss = 0.0;
        for batch in points.chunks(BATCH) {
            loss += batch.iter().map(|point| network.learn(point)).sum::<f64>();
            network.step(config, batch.len());
        }
        let right = data.test.iter().filter(|point| (network.guess(point) > 0.5) == (point.label > 0.5));
        let epoch = Epoch {
            loss: loss / points.len() as f64,
            accuracy: right.count() as f64 / data.test.len() as f64,
        };
        if !epoch.loss.is_finite() || epoch.loss > 1.5 {
            return Ok(None);
        }
        each(epoch)?;
        accuracy = Some(epoch.accuracy);
    }
    Ok(accuracy)
}

/// Layers one after the other: tanh within, a logistic function at the end.
struct Network {
    layers: Vec<Layer>,
    /// What went into each layer for the last point, and at last what came out.
    values: Vec<Vec<f64>>,
    steps: i32,
}

struct Layer {
    inputs: usize,
    /// For each output the weights of the inputs, and the bias.
    weights: Vec<Weight>,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    value: f64,
    gradient: f64,
    /// Running means of the gradient and of its square.
    mean: f64,
    square: f64,
}

impl Network {
    fn new(hidden: &[u64], random: &mut Random) -> Self {
        let hidden = hidden.iter().map(|width| usize::try_from(*width).unwrap_or(1));
        let widths: Vec<usize> = [2].into_iter().chain(hidden).chain([1]).collect();
        let layer = |pair: &[usize]| {
            let scale = (3.0 / pair[0] as f64).sqrt();
            let mut weight = || Weight { value: scale * random.between(-1.0, 1.0), ..Weight::default() };
            Layer { inputs: pair[0], weights: (0..pair[1] * (pair[0] + 1)).map(|_| weight()).collect() }
        };
        let layers = widths.windows(2).map(layer).collect();
        Self { layers, values: widths.iter().map(|width| vec![0.0; *width]).collect(), steps: 0 }
    }

    /// How likely the point is of the second spiral.
    fn guess(&mut self, point: &Point) -> f64 {
        self.values[0].copy_from_slice(&point.x);
        for (number, layer) in self.layers.iter().enumerate() {
            let (before, after) = self.values.split_at_mut(number + 1);
            for (output, weights) in after[0].iter_mut().zip(layer.weights.chunks(layer.inputs + 1)) {
                let inputs = before[number].iter().chain([&1.0]);
                let sum: f64 = weights.iter().zip(inputs).map(|(weight, input)| weight.value * input).sum();
                *output =
                    if number + 1 == self.layers.len() { 1.0 / (1.0 + (-sum).exp()) } else { sum.tanh() };
            }
        }
        self.values[self.layers.len()][0]
    }

    /// Adds up the gradients for a point, by back-propagation; gives its loss.
    fn learn(&mut self, point: &Point) -> f64 {
        let guess = self.guess(point);
        let mut errors = vec![guess - point.label];
        for (layer, inputs) in self.layers.iter_mut().zip(&self.values).rev() {
            let mut before = vec![0.0; layer.inputs];
            for (error, weights) in errors.iter().zip(layer.weights.chunks_mut(layer.inputs + 1)) {
                for (place, weight) in weights.iter_mut().enumerate() {
                    weight.gradient += error * inputs.get(place).unwrap_or(&1.0);
                    if let Some(before) = before.get_mut(place) {
                        *before += error * weight.value;
                    }
                }
            }
            errors = before.iter().zip(inputs).map(|(error, input)| error * (1.0 - input * input)).collect();
        }
        let right = if point.label > 0.5 { guess } else { 1.0 - guess };
        -right.max(1e-12).ln()
    }

    fn step(&mut self, config: &Config, points: usize) {
        self.steps += 1;
        let (one, two) = (1.0 - 0.9_f64.powi(self.steps), 1.0 - 0.999_f64.powi(self.steps));
        for weight in self.layers.iter_mut().flat_map(|layer| &mut layer.weights) {
            let gradient = weight.gradient / points as f64;
            weight.gradient = 0.0;
            let change = match config.optimizer {
                Optimizer::Sgd => gradient,
                Optimizer::Momentum(kept) => {
                    weight.mean = kept * weight.mean + gradient;
                    weight.mean
                }
                Optimizer::Adam => {
                    weight.mean = 0.9 * weight.mean + 0.1 * gradient;
                    weight.square = 0.999 * weight.square + 0.001 * gradient * gradient;
                    weight.mean / one / ((weight.square / two).sqrt() + 1e-8)
                }
            };
            weight.value -= config.learning_rate * change;
        }
    }
}
