import { randomFloats } from "@cai/test-utils";

/** Values to encode; where each has a unit of its own, with it. */
export interface Sample {
  readonly x: Float32Array;
  readonly unit?: Float32Array;
}

export interface Distribution {
  readonly name: string;
  draw(count: number, seed: number): Sample;
}

/** Independent of each other for each `part` of one seed. */
function normals(count: number, seed: number, part: number): Float32Array {
  return randomFloats(count, seed * 1000 + part);
}

/** Sum of `degrees` squares of normals. */
function chiSquared(count: number, seed: number, degrees: number): Float64Array {
  const sum = new Float64Array(count);
  for (let part = 1; part <= degrees; part++) {
    normals(count, seed, part).forEach((value, i) => {
      sum[i] = (sum[i] as number) + value * value;
    });
  }
  return sum;
}

const normal: Distribution = { name: "normal", draw: (count, seed) => ({ x: normals(count, seed, 0) }) };

/** A normal whose variance is exponential. */
const laplace: Distribution = {
  name: "laplace",
  draw(count, seed) {
    const twiceExponential = chiSquared(count, seed, 2);
    return { x: normals(count, seed, 0).map((value, i) => value * Math.sqrt(twiceExponential[i] as number)) };
  },
};

function student(degrees: number): Distribution {
  return {
    name: `student${degrees}`,
    draw(count, seed) {
      const squares = chiSquared(count, seed, degrees);
      const values = normals(count, seed, 0);
      return { x: values.map((value, i) => value / Math.sqrt((squares[i] as number) / degrees)) };
    },
  };
}

/** x = e^(σn) · g, n and g standard normal, with e^(σn) for the unit. */
function spread(sigma: number): Distribution {
  return {
    name: `sigma${sigma}`,
    draw(count, seed) {
      const unit = normals(count, seed, 1).map((value) => Math.exp(sigma * value));
      return { x: normals(count, seed, 0).map((value, i) => value * (unit[i] as number)), unit };
    },
  };
}

export const distributions: readonly Distribution[] = [
  normal,
  laplace,
  student(3),
  student(5),
  ...[0, 0.5, 1, 2, 3].map(spread),
];
