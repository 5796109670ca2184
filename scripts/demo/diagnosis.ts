import { run } from '../../test/lab/exec.ts';
import type { Stage } from './story.ts';

/** What somebody would look at first. */
const QUESTIONS = [
  'kubectl get pods -A -o wide',
  'kubectl get meshgateways,meshpeers,meshgatewaynodes -A -o wide',
  'kubectl describe meshgateways',
  'kubectl get events -A --sort-by=.lastTimestamp --field-selector type!=Normal | tail -n 20',
  'for pod in $(kubectl get pods -n sallyport-system -o name); do echo "--- $pod"; kubectl logs -n sallyport-system --all-containers --tail=15 $pod; done',
] as const;

const QUESTION_MS = 20_000;

/** After a failure: what the cluster says, so that nobody has to run it again to learn why. Never throws. */
export async function diagnose({ place, narrator }: Pick<Stage, 'place' | 'narrator'>): Promise<void> {
  for (const line of QUESTIONS) {
    narrator.command(line);
    const answer = await run(['sh', '-c', line], { env: place.environment, timeout: QUESTION_MS }).catch(
      () => undefined,
    );
    narrator.answer(answer === undefined ? 'no answer' : answer.stdout + answer.stderr);
  }
}
