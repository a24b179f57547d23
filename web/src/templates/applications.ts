// The applications that install in one click.
import { type Application, field, inDays, type Say } from './build';

export function crm(say: Say): Application {
  const stages: [string, string, string][] = [
    ['lead', say('Lead', '线索'), 'blue'],
    ['offer', say('Offer sent', '已报价'), 'gold'],
    ['talks', say('In talks', '洽谈中'), 'orange'],
    ['won', say('Won', '已成交'), 'green'],
    ['lost', say('Lost', '已流失'), 'red'],
  ];
  const kinds: [string, string, string][] = [
    ['call', say('Call', '电话'), 'cyan'],
    ['visit', say('Visit', '拜访'), 'purple'],
    ['mail', say('Mail', '邮件'), 'geekblue'],
  ];
  const customer = (name: string, industry: string, city: string, website: string) => ({
    name,
    industry,
    city,
    website,
  });
  return {
    title: say('CRM', '客户管理'),
    icon: 'contacts',
    collections: [
      {
        name: 'crm_customers',
        title: say('Customers', '客户'),
        titleField: 'name',
        fields: [
          field.text('name', say('Name', '名称')),
          field.choice('industry', say('Industry', '行业'), [
            ['retail', say('Retail', '零售'), 'blue'],
            ['industry', say('Manufacturing', '制造'), 'gold'],
            ['services', say('Services', '服务'), 'green'],
            ['health', say('Health', '医疗'), 'magenta'],
          ]),
          field.text('city', say('City', '城市')),
          { name: 'website', type: 'text', interface: 'url', uiSchema: { title: say('Website', '网站') } },
          field.user('owner', say('Owner', '负责人')),
        ],
        sample: [
          customer('Alder Bikes', 'retail', say('Utrecht', '杭州'), 'https://alder.example'),
          customer('Birch Labs', 'health', say('Basel', '上海'), 'https://birch.example'),
          customer('Cedar Foods', 'retail', say('Lyon', '成都'), 'https://cedar.example'),
          customer('Dogwood Tools', 'industry', say('Graz', '苏州'), 'https://dogwood.example'),
          customer('Elm Logistics', 'services', say('Gdansk', '宁波'), 'https://elm.example'),
          customer('Fir Consulting', 'services', say('Turku', '北京'), 'https://fir.example'),
        ],
      },
      {
        name: 'crm_contacts',
        title: say('Contacts', '联系人'),
        titleField: 'name',
        fields: [
          field.text('name', say('Name', '姓名')),
          field.text('position', say('Position', '职位')),
          field.email('email', say('Email', '邮箱')),
          field.phone('phone', say('Phone', '电话')),
          field.one(
            'customer',
            say('Customer', '客户'),
            'crm_customers',
            'contacts',
            say('Contacts', '联系人'),
            'CASCADE',
          ),
        ],
        sample: [
          {
            name: say('Nora Visser', '陈静'),
            position: say('Purchasing', '采购'),
            email: 'nora@alder.example',
            customer: '#0',
          },
          {
            name: say('Luca Frei', '李明'),
            position: say('Director', '总监'),
            email: 'luca@birch.example',
            customer: '#1',
          },
          {
            name: say('Marie Petit', '王芳'),
            position: say('Owner', '负责人'),
            email: 'marie@cedar.example',
            customer: '#2',
          },
          {
            name: say('Jonas Huber', '赵强'),
            position: say('IT', '信息技术'),
            email: 'jonas@dogwood.example',
            customer: '#3',
          },
          {
            name: say('Ola Nowak', '刘洋'),
            position: say('Operations', '运营'),
            email: 'ola@elm.example',
            customer: '#4',
          },
        ],
      },
      {
        name: 'crm_deals',
        title: say('Deals', '商机'),
        titleField: 'title',
        fields: [
          field.text('title', say('Title', '标题')),
          field.choice('stage', say('Stage', '阶段'), stages, 'lead'),
          field.money('amount', say('Amount', '金额')),
          field.percent('chance', say('Chance', '成功率')),
          field.date('closing', say('Expected closing', '预计成交')),
          field.one('customer', say('Customer', '客户'), 'crm_customers', 'deals', say('Deals', '商机'), 'CASCADE'),
        ],
        sample: [
          {
            title: say('Showroom system', '展厅系统'),
            stage: 'talks',
            amount: '18500.00',
            chance: 0.6,
            closing: inDays(12),
            customer: '#0',
          },
          {
            title: say('Sample tracking', '样本跟踪'),
            stage: 'offer',
            amount: '42000.00',
            chance: 0.4,
            closing: inDays(28),
            customer: '#1',
          },
          {
            title: say('Web shop', '网上商城'),
            stage: 'lead',
            amount: '9800.00',
            chance: 0.2,
            closing: inDays(45),
            customer: '#2',
          },
          {
            title: say('Spare parts portal', '备件门户'),
            stage: 'won',
            amount: '27300.00',
            chance: 1,
            closing: inDays(-6),
            customer: '#3',
          },
          {
            title: say('Route planning', '路线规划'),
            stage: 'offer',
            amount: '31200.00',
            chance: 0.5,
            closing: inDays(20),
            customer: '#4',
          },
          {
            title: say('Time sheets', '工时系统'),
            stage: 'lost',
            amount: '7600.00',
            chance: 0,
            closing: inDays(-15),
            customer: '#5',
          },
          {
            title: say('Second site', '第二门店'),
            stage: 'lead',
            amount: '15400.00',
            chance: 0.25,
            closing: inDays(60),
            customer: '#0',
          },
        ],
      },
      {
        name: 'crm_activities',
        title: say('Activities', '活动'),
        titleField: 'subject',
        fields: [
          field.text('subject', say('Subject', '主题')),
          field.choice('kind', say('Kind', '类型'), kinds, 'call'),
          field.date('day', say('Day', '日期')),
          field.long('notes', say('Notes', '备注')),
          field.one(
            'customer',
            say('Customer', '客户'),
            'crm_customers',
            'activities',
            say('Activities', '活动'),
            'CASCADE',
          ),
        ],
        sample: [
          { subject: say('First call', '首次电话'), kind: 'call', day: inDays(-3), customer: '#2' },
          { subject: say('Demo on site', '现场演示'), kind: 'visit', day: inDays(2), customer: '#0' },
          { subject: say('Send references', '发送案例'), kind: 'mail', day: inDays(4), customer: '#1' },
          { subject: say('Contract talk', '合同洽谈'), kind: 'visit', day: inDays(9), customer: '#4' },
        ],
      },
    ],
    pages: [
      {
        title: say('Overview', '概览'),
        icon: 'dashboard',
        blocks: [
          {
            type: 'chart',
            collection: 'crm_deals',
            more: {
              span: 8,
              title: say('Open deals', '进行中的商机'),
              filter: { $and: [{ stage: { $notIn: ['won', 'lost'] } }] },
              options: { kind: 'figure', aggregation: 'count' },
            },
          },
          {
            type: 'chart',
            collection: 'crm_deals',
            more: {
              span: 8,
              title: say('Value of open deals', '进行中的商机金额'),
              filter: { $and: [{ stage: { $notIn: ['won', 'lost'] } }] },
              options: { kind: 'figure', aggregation: 'sum', measure: 'amount' },
            },
          },
          {
            type: 'chart',
            collection: 'crm_deals',
            more: {
              span: 8,
              title: say('Won', '已成交'),
              filter: { $and: [{ stage: { $eq: 'won' } }] },
              options: { kind: 'figure', aggregation: 'sum', measure: 'amount' },
            },
          },
          {
            type: 'chart',
            collection: 'crm_deals',
            more: {
              span: 12,
              title: say('Amount by stage', '各阶段金额'),
              options: { kind: 'bar', aggregation: 'sum', measure: 'amount', dimension: 'stage' },
            },
          },
          {
            type: 'chart',
            collection: 'crm_deals',
            more: {
              span: 12,
              title: say('Amount by customer', '各客户金额'),
              options: { kind: 'pie', aggregation: 'sum', measure: 'amount', dimension: 'customer' },
            },
          },
        ],
      },
      {
        title: say('Pipeline', '销售看板'),
        icon: 'project',
        blocks: [
          {
            type: 'kanban',
            collection: 'crm_deals',
            more: {
              fields: [{ name: 'customer' }, { name: 'amount' }, { name: 'closing' }],
              options: { group: 'stage' },
            },
          },
        ],
      },
      {
        title: say('Customers', '客户'),
        icon: 'team',
        blocks: [
          {
            type: 'filter',
            collection: 'crm_customers',
            more: { fields: [{ name: 'name' }, { name: 'industry' }, { name: 'owner' }] },
          },
          { type: 'table', collection: 'crm_customers' },
        ],
      },
      { title: say('Contacts', '联系人'), icon: 'contacts', blocks: [{ type: 'table', collection: 'crm_contacts' }] },
      {
        title: say('Calendar', '日程'),
        icon: 'calendar',
        blocks: [
          { type: 'calendar', collection: 'crm_activities', more: { options: { start: 'day', colour: 'kind' } } },
        ],
      },
    ],
  };
}

export function projects(say: Say): Application {
  return {
    title: say('Projects', '项目管理'),
    icon: 'project',
    collections: [
      {
        name: 'pm_projects',
        title: say('Projects', '项目'),
        titleField: 'name',
        fields: [
          field.text('name', say('Name', '名称')),
          field.choice(
            'status',
            say('Status', '状态'),
            [
              ['planned', say('Planned', '计划中'), 'blue'],
              ['active', say('Active', '进行中'), 'green'],
              ['done', say('Done', '已完成'), 'default'],
            ],
            'planned',
          ),
          field.date('deadline', say('Deadline', '截止日期')),
          field.money('budget', say('Budget', '预算')),
          { name: 'goal', type: 'text', interface: 'markdown', uiSchema: { title: say('Goal', '目标') } },
        ],
        sample: [
          {
            name: say('New website', '新网站'),
            status: 'active',
            deadline: inDays(40),
            budget: '24000.00',
            goal: say('Launch with **shop** and blog.', '上线**商城**与博客。'),
          },
          { name: say('Office move', '办公室搬迁'), status: 'active', deadline: inDays(18), budget: '12000.00' },
          { name: say('Annual report', '年度报告'), status: 'planned', deadline: inDays(90), budget: '5000.00' },
        ],
      },
      {
        name: 'pm_tasks',
        title: say('Tasks', '任务'),
        titleField: 'title',
        fields: [
          field.text('title', say('Title', '标题')),
          field.choice(
            'state',
            say('State', '状态'),
            [
              ['todo', say('To do', '待办'), 'blue'],
              ['doing', say('Doing', '进行中'), 'gold'],
              ['review', say('Review', '评审'), 'purple'],
              ['done', say('Done', '已完成'), 'green'],
            ],
            'todo',
          ),
          field.choice(
            'priority',
            say('Priority', '优先级'),
            [
              ['high', say('High', '高'), 'red'],
              ['normal', say('Normal', '中'), 'blue'],
              ['low', say('Low', '低'), 'default'],
            ],
            'normal',
          ),
          field.date('due', say('Due', '截止')),
          field.whole('hours', say('Hours', '工时')),
          field.user('assignee', say('Assignee', '负责人')),
          field.long('notes', say('Notes', '备注')),
          field.one('project', say('Project', '项目'), 'pm_projects', 'tasks', say('Tasks', '任务'), 'CASCADE'),
        ],
        sample: [
          {
            title: say('Choose a layout', '选择版式'),
            state: 'done',
            priority: 'normal',
            due: inDays(-5),
            hours: 6,
            project: '#0',
          },
          {
            title: say('Write the texts', '撰写文案'),
            state: 'doing',
            priority: 'high',
            due: inDays(3),
            hours: 12,
            project: '#0',
          },
          {
            title: say('Photos of the team', '团队照片'),
            state: 'todo',
            priority: 'low',
            due: inDays(9),
            hours: 3,
            project: '#0',
          },
          {
            title: say('Payment provider', '支付接口'),
            state: 'review',
            priority: 'high',
            due: inDays(6),
            hours: 10,
            project: '#0',
          },
          {
            title: say('Order boxes', '订购纸箱'),
            state: 'todo',
            priority: 'normal',
            due: inDays(2),
            hours: 1,
            project: '#1',
          },
          {
            title: say('Plan the seats', '规划座位'),
            state: 'doing',
            priority: 'normal',
            due: inDays(5),
            hours: 4,
            project: '#1',
          },
          {
            title: say('Network in the new office', '新办公室网络'),
            state: 'todo',
            priority: 'high',
            due: inDays(11),
            hours: 8,
            project: '#1',
          },
          {
            title: say('Collect figures', '收集数据'),
            state: 'todo',
            priority: 'low',
            due: inDays(30),
            hours: 16,
            project: '#2',
          },
        ],
      },
    ],
    pages: [
      {
        title: say('Board', '任务看板'),
        icon: 'project',
        blocks: [
          {
            type: 'kanban',
            collection: 'pm_tasks',
            more: {
              fields: [{ name: 'project' }, { name: 'priority' }, { name: 'due' }, { name: 'assignee' }],
              options: { group: 'state' },
            },
          },
        ],
      },
      {
        title: say('Tasks', '任务'),
        icon: 'check',
        blocks: [
          {
            type: 'filter',
            collection: 'pm_tasks',
            more: { fields: [{ name: 'title' }, { name: 'state' }, { name: 'project' }, { name: 'due' }] },
          },
          { type: 'table', collection: 'pm_tasks', more: { options: { inlineEdit: true }, sort: ['due'] } },
        ],
      },
      {
        title: say('Projects', '项目'),
        icon: 'folder',
        blocks: [
          {
            type: 'list',
            collection: 'pm_projects',
            more: { fields: [{ name: 'status' }, { name: 'deadline' }, { name: 'budget' }] },
          },
          {
            type: 'chart',
            collection: 'pm_tasks',
            more: {
              span: 12,
              title: say('Hours by project', '各项目工时'),
              options: { kind: 'bar', aggregation: 'sum', measure: 'hours', dimension: 'project', series: 'state' },
            },
          },
          {
            type: 'chart',
            collection: 'pm_tasks',
            more: {
              span: 12,
              title: say('Tasks by state', '各状态任务'),
              options: { kind: 'pie', aggregation: 'count', dimension: 'state' },
            },
          },
        ],
      },
      {
        title: say('Calendar', '日历'),
        icon: 'calendar',
        blocks: [{ type: 'calendar', collection: 'pm_tasks', more: { options: { start: 'due', colour: 'priority' } } }],
      },
    ],
  };
}

export function inventory(say: Say): Application {
  return {
    title: say('Inventory', '库存管理'),
    icon: 'inbox',
    collections: [
      {
        name: 'inv_products',
        title: say('Products', '产品'),
        titleField: 'name',
        fields: [
          field.text('name', say('Name', '名称')),
          field.sequence('code', say('Code', '编号'), 'P-'),
          field.choice('category', say('Category', '类别'), [
            ['parts', say('Parts', '零件'), 'blue'],
            ['tools', say('Tools', '工具'), 'gold'],
            ['supplies', say('Supplies', '耗材'), 'green'],
          ]),
          field.money('price', say('Price', '单价')),
          field.whole('stock', say('In stock', '库存')),
          field.whole('reorder', say('Reorder at', '补货点')),
          field.formula('worth', say('Worth', '库存价值'), '{{price}} * {{stock}}'),
        ],
        sample: [
          { name: say('Bearing 6204', '轴承 6204'), category: 'parts', price: '4.20', stock: 320, reorder: 100 },
          { name: say('Chain 1/2"', '链条 1/2"'), category: 'parts', price: '11.90', stock: 45, reorder: 60 },
          { name: say('Torque wrench', '扭矩扳手'), category: 'tools', price: '89.00', stock: 7, reorder: 3 },
          { name: say('Hex keys', '内六角扳手'), category: 'tools', price: '15.50', stock: 22, reorder: 10 },
          { name: say('Grease 500 g', '润滑脂 500 g'), category: 'supplies', price: '6.80', stock: 12, reorder: 20 },
          { name: say('Gloves', '手套'), category: 'supplies', price: '1.90', stock: 140, reorder: 50 },
        ],
      },
      {
        name: 'inv_movements',
        title: say('Movements', '出入库'),
        titleField: 'reason',
        fields: [
          field.text('reason', say('Reason', '事由')),
          field.choice(
            'kind',
            say('Kind', '类型'),
            [
              ['in', say('In', '入库'), 'green'],
              ['out', say('Out', '出库'), 'orange'],
            ],
            'in',
          ),
          field.whole('quantity', say('Quantity', '数量')),
          field.date('day', say('Day', '日期')),
          field.one(
            'product',
            say('Product', '产品'),
            'inv_products',
            'movements',
            say('Movements', '出入库'),
            'CASCADE',
          ),
        ],
        sample: [
          { reason: say('Delivery', '到货'), kind: 'in', quantity: 200, day: inDays(-20), product: '#0' },
          { reason: say('Workshop', '车间领用'), kind: 'out', quantity: 40, day: inDays(-8), product: '#0' },
          { reason: say('Delivery', '到货'), kind: 'in', quantity: 60, day: inDays(-35), product: '#1' },
          { reason: say('Workshop', '车间领用'), kind: 'out', quantity: 15, day: inDays(-2), product: '#1' },
          { reason: say('Delivery', '到货'), kind: 'in', quantity: 30, day: inDays(-50), product: '#4' },
          { reason: say('Workshop', '车间领用'), kind: 'out', quantity: 18, day: inDays(-1), product: '#4' },
        ],
      },
    ],
    pages: [
      {
        title: say('Stock', '库存'),
        icon: 'inbox',
        blocks: [
          {
            type: 'chart',
            collection: 'inv_products',
            more: {
              span: 8,
              title: say('Worth of the stock', '库存总值'),
              options: { kind: 'figure', aggregation: 'sum', measure: 'worth' },
            },
          },
          {
            type: 'chart',
            collection: 'inv_products',
            more: {
              span: 16,
              title: say('Worth by category', '各类别库存价值'),
              options: { kind: 'bar', aggregation: 'sum', measure: 'worth', dimension: 'category', height: 200 },
            },
          },
          { type: 'table', collection: 'inv_products', more: { options: { inlineEdit: true } } },
        ],
      },
      {
        title: say('Movements', '出入库'),
        icon: 'cart',
        blocks: [
          {
            type: 'chart',
            collection: 'inv_movements',
            more: {
              title: say('Quantity by month', '每月数量'),
              options: {
                kind: 'bar',
                aggregation: 'sum',
                measure: 'quantity',
                dimension: 'day',
                format: 'YYYY-MM',
                series: 'kind',
                height: 220,
              },
            },
          },
          { type: 'table', collection: 'inv_movements', more: { sort: ['-day'] } },
        ],
      },
    ],
  };
}
