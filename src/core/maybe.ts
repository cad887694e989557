/**
 * What is over when the call returns, or comes later: quick verbs, which a kernel answers at once, cost no promise on
 * their way down and back.
 */

/** A result, or the promise of one. Only promises of this realm are taken for such. */
export type Maybe<T> = T | Promise<T>;

/** Goes on with a result, in the same turn if it is there. */
export function chain<T, U>(value: Maybe<T>, next: (value: T) => Maybe<U>): Maybe<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * Does something, then what belongs to its end.
 *
 * @param done makes the result
 * @param failed takes back what was prepared; the error goes on after it
 */
export function settle<T, U>(
  work: () => Maybe<T>,
  done: (value: T) => U,
  failed: (error: unknown) => void,
): Maybe<U> {
  let value: Maybe<T>;
  try {
    value = work();
  } catch (error) {
    failed(error);
    throw error;
  }
  if (!(value instanceof Promise)) return done(value);
  return value.then(done, (error) => {
    failed(error);
    throw error;
  });
}
