// openapi.yaml is sound, and says everything that a good description should; whether it is true is the
// system tests' business.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createConfig, lint } from '@redocly/openapi-core';

const ref = fileURLToPath(new URL('../../nginx/html/openapi.yaml', import.meta.url));

test('the linter has nothing to say about openapi.yaml', async () => {
	const config = await createConfig({ extends: ['recommended-strict'] });
	const problems = await lint({ ref, config });
	assert.deepEqual(problems.map((p) => `${p.location[0].pointer}: ${p.message} (${p.ruleId})`), []);
});
