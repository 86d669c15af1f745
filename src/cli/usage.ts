import { VERSION } from '../composition/version.ts';

export const USAGE = `Easel ${VERSION}

  easel serve                          start the service (npm start)
  easel generate PROMPT [options]      make one picture and print its record; no service may be running
      --preset NAME  --size WxH  --model ID  --media-id ID
  easel cleanup [options]              delete old pictures and left-over files; no service may be running
      --older-than 30d  --dry-run
  easel keys create NAME SCOPE[+SCOPE]  make an API key: prints its secret, once, and the line for API_KEYS_FILE
  easel openapi [--check]              write openapi/openapi.json, or fail when it is not up to date
  easel config [--check]               write docs/settings.md, or fail when it is not up to date

Settings come from environment variables; see docs/settings.md.`;

/** Exit code for a wrong command line (sysexits.h). */
export const EX_USAGE = 64;
