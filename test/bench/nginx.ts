import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export function hasNginx(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined;
}

/** Configures nginx as a plain pass-through with one worker and without buffering. @returns its command */
export function nginxCommand(
  folder: string,
  { port, upstream }: { port: number; upstream: string },
): readonly string[] {
  const prefix = join(folder, `nginx-${port}`);
  mkdirSync(prefix);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${prefix}/${name};`,
  );
  const file = join(prefix, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${prefix}/pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
  ${paths.join('\n  ')}
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_max_body_size 64m;
  client_body_buffer_size 2m;
  upstream bench { server ${new URL(upstream).host}; keepalive 4096; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`,
  );
  return ['nginx', '-p', prefix, '-e', 'stderr', '-c', file];
}
